<?php
// SPDX-License-Identifier: MIT
// Objects, strings, regular expressions, JSON, hashes, sorting, generators, cycles, and what PHP's
// modules take from malloc.

class Node
{
    public $next;
    public array $numbers = [];

    public function __construct(public string $name)
    {
    }
}

function chain(int $n): Node
{
    $first = $last = new Node('0');
    for ($i = 1; $i < $n; $i++) {
        $last->next = new Node((string) $i);
        $last->numbers = range($i, $i + 5);
        $last = $last->next;
    }
    return $first;
}

function words(int $n): Generator
{
    $state = 12345;
    for ($i = 0; $i < $n; $i++) {
        $state = ($state * 1103515245 + 12345) % 2147483648;
        yield substr(md5((string) $state), 0, 3 + $state % 9);
    }
}

// A chain that is one cycle: PHP's own collector finds it.
for ($round = 0; $round < 20; $round++) {
    $node = chain(2000);
    $last = $node;
    while ($last->next !== null) {
        $last = $last->next;
    }
    $last->next = $node;
}
echo 'cycles ', gc_collect_cycles() >= 0 ? 'done' : 'failed', "\n";

$counts = [];
foreach (words(60000) as $word) {
    $counts[$word] = ($counts[$word] ?? 0) + 1;
}
ksort($counts);
arsort($counts, SORT_NUMERIC);
echo 'words ', count($counts), ' ', md5(serialize($counts)), "\n";

$text = implode(' ', iterator_to_array(words(20000), false));
echo 'pattern ', preg_match_all('/\b([a-f]+)(\d+)\1?\b/', $text, $found), ' ',
    md5(json_encode($found)), "\n";
echo 'replaced ', md5(preg_replace_callback('/\d+/', fn ($m) => '<' . ($m[0] + 1) . '>', $text)), "\n";

$tree = json_decode(json_encode(array_chunk(array_keys($counts), 7)), true);
echo 'json ', count($tree, COUNT_RECURSIVE), "\n";

$packed = gzcompress(str_repeat($text, 3), 9);
echo 'zlib ', md5(gzuncompress($packed)), "\n";
echo 'hash ', hash('sha256', $text), "\n";
echo 'iconv ', md5(iconv('UTF-8', 'UTF-16LE', $text)), "\n";

$storage = new SplObjectStorage();
$heap = new SplMinHeap();
foreach (words(5000) as $i => $word) {
    $storage[new Node($word)] = $i;
    $heap->insert($word);
}
echo 'spl ', count($storage), ' ', $heap->extract(), "\n";
echo 'date ', (new DateTimeImmutable('2024-02-29', new DateTimeZone('UTC')))->modify('+1 year')->format('c'), "\n";

$pipe = popen('printf child', 'r');
echo fgets($pipe), ' ', pclose($pipe), "\n";
