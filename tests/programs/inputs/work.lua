-- SPDX-License-Identifier: MIT
-- Tables, strings, closures and coroutines, with Lua's own collector in both of its modes.
local seed = 29
local function random(n)
    seed = (seed * 1103515245 + 12345) % 2147483648
    return seed % n
end

local function checksum(text)
    local sum = 0
    for i = 1, #text, 7 do sum = (sum * 31 + text:byte(i)) % 4294967291 end
    return sum
end

local function tree(depth)
    if depth == 0 then return { value = random(100) } end
    return { left = tree(depth - 1), right = tree(depth - 1), value = depth }
end
local function total(node)
    if not node then return 0 end
    return node.value + total(node.left) + total(node.right)
end

for _, mode in ipairs { "incremental", "generational" } do
    collectgarbage(mode)
    local kept = tree(16)
    local sum = 0
    for _ = 1, 60 do sum = sum + total(tree(11)) end
    print(mode, sum, total(kept))
end

local words = {}
for i = 1, 40000 do words[i] = string.format("%05x-%s", random(1048576), ("ab"):rep(random(12))) end
table.sort(words)
local joined = table.concat(words, " ")
print("words", #joined, checksum(joined))
local replaced, n = joined:gsub("(%x+)%-(%a*)", "%2=%1")
print("gsub", n, checksum(replaced))

local function producer(limit)
    return coroutine.wrap(function()
        for i = 1, limit do coroutine.yield({ i, tostring(i) }) end
    end)
end
local sum = 0
for _ = 1, 300 do
    for pair in producer(60) do sum = sum + pair[1] + #pair[2] end
end
print("coroutines", sum)

local weak = setmetatable({}, { __mode = "k" })
local closed = 0
for i = 1, 30000 do
    weak[setmetatable({}, { __gc = function() closed = closed + 1 end })] = i
end
collectgarbage()
collectgarbage()
print("weak", next(weak), closed)
