-- SPDX-License-Identifier: MIT
-- Tables, closures, strings, coroutines: mix.lua COUNT
local count = tonumber(arg[1])

local people = {}
for i = 1, count do
    people[i] = { id = i, name = "person " .. i, tags = { i % 7, i % 11, i % 13 } }
end
table.sort(people, function(a, b)
    local x, y = a.id * 7919 % count, b.id * 7919 % count
    if x ~= y then return x < y end
    return a.id < b.id
end)
print("sorted", people[1].name, people[count].name)

local words, n = {}, 0
for i = 1, count do
    local text = people[i].name:rep(3, " "):upper()
    for word in text:gmatch("%w+") do
        if not words[word] then
            words[word] = 0
            n = n + 1
        end
        words[word] = words[word] + 1
    end
end
print("words", n, words.PERSON)

local function tree(depth)
    if depth == 0 then return { false, false } end
    return { tree(depth - 1), tree(depth - 1) }
end
local function size(t)
    return t[1] and 1 + size(t[1]) + size(t[2]) or 1
end
local nodes = 0
for _ = 1, count // 2000 do
    nodes = nodes + size(tree(10))
end
print("trees", nodes)

local pieces = {}
for i = 1, count do
    pieces[#pieces + 1] = string.format("%d:%s", i, ("x"):rep(i % 30))
end
print("text", #table.concat(pieces, ","))

local sum = 0
for i = 1, count // 100 do
    local co = coroutine.wrap(function()
        for k = 1, 3 do
            coroutine.yield(i * k)
        end
    end)
    sum = sum + co() + co() + co()
end
print("coroutines", sum)
