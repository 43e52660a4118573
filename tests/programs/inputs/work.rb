# SPDX-License-Identifier: MIT
# Objects, strings, regular expressions, threads, fibers; Ruby's own collector runs often.
require 'digest'
require 'json'
require 'set'
require 'strscan'
require 'zlib'

GC.stress = false
$seed = 17
def random(n) = ($seed = ($seed * 1103515245 + 12345) % 2147483648) % n

Tree = Struct.new(:left, :right, :value)
def tree(depth)
  depth.zero? ? Tree.new(nil, nil, random(100)) : Tree.new(tree(depth - 1), tree(depth - 1), depth)
end
def total(node) = node ? node.value + total(node.left) + total(node.right) : 0

kept = tree(12)
sums = 12.times.map { total(tree(9)) }
puts "trees #{sums.sum} #{total(kept)}"

words = 20_000.times.map { |i| format('%05x-%s', random(1 << 20), 'ab' * random(12)) }
joined = words.sort.join(' ')
puts "words #{Digest::SHA256.hexdigest(joined)}"
puts "gsub #{Digest::MD5.hexdigest(joined.gsub(/(\h+)-(\w*)/) { "#{$2}=#{$1.hex % 97}" })}"
scanner = StringScanner.new(joined)
count = 0
count += 1 while scanner.scan_until(/abab\b/)
puts "scan #{count}"

data = { 'rows' => 3000.times.map { |i| { 'id' => i, 'tags' => words[i, 3], 'x' => i / 7.0 } } }
text = JSON.generate(data)
puts "json #{text.size} #{JSON.parse(text) == data}"
packed = Zlib::Deflate.deflate(text)
puts "zlib #{Zlib::Inflate.inflate(packed) == text}"
puts "marshal #{Marshal.load(Marshal.dump(data)) == data}"

results = 8.times.map do |n|
  Thread.new do
    (1..400).map { |i| ("#{n}:#{i} " * (i % 50)).hash && (n * i) }.sum
  end
end.map(&:value)
puts "threads #{results.sum}"

fibers = 200.times.map { |n| Fiber.new { 20.times { |i| Fiber.yield([n, i, "f#{n * i}"]) }; nil } }
lengths = 0
20.times { fibers.each { |f| lengths += f.resume[2].size } }
puts "fibers #{lengths}"

symbols = 5000.times.map { |i| "symbol_#{i}".to_sym }
puts "symbols #{symbols.to_set.size}"
GC.start
GC.compact if GC.respond_to?(:compact)
puts "after #{total(kept)} #{joined.size} #{data['rows'].last['tags'].size}"
reader, writer = IO.pipe
pid = fork do
  writer.write(total(tree(8)).class.name + " #{kept.value}")
  exit!(0)
end
writer.close
puts "child #{reader.read}"
Process.wait(pid)
puts `echo from a shell`
