# SPDX-License-Identifier: MIT
# Hashes, sorting, regular expressions, closures, string building, cycles that perl itself leaks.
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);

my $seed = 17;
sub next_random { $seed = ($seed * 1103515245 + 12345) % 2147483648; return $seed % $_[0]; }

my %count;
my @records;
for my $i (1 .. 60000) {
    my $key = join('-', map { chr(97 + next_random(26)) x (1 + next_random(3)) } 1 .. 4);
    $count{$key}++;
    push @records,
        { key => $key, number => next_random(1_000_000), tags => [ 1 .. next_random(6) ] };
}
print scalar(keys %count), " keys\n";

my @sorted = sort { $a->{key} cmp $b->{key} || $a->{number} <=> $b->{number} } @records;
print sha256_hex(join(',', map { "$_->{key}:$_->{number}:@{$_->{tags}}" } @sorted)), "\n";

my %groups;
push @{ $groups{ substr($_->{key}, 0, 1) } }, $_ for @records;
for my $letter ((sort keys %groups)[0 .. 3]) {
    my $total = 0;
    $total += $_->{number} for @{ $groups{$letter} };
    print "$letter ", scalar @{ $groups{$letter} }, " $total\n";
}

my $text = join("\n", map { "$_->{key} = \"$_->{number}\";" } @records[0 .. 30000]);
my $swaps = ($text =~ s/(\w+)-(\w+) = "(\d+)"/$2 . '-' . $1 . '=' . ($3 * 2)/ge);
my %words;
$words{$_}++ for split /\W+/, $text;
print "$swaps ", scalar(keys %words), " ", sha256_hex($text), "\n";

my @closures = map { my $n = $_; sub { $n += $_[0]; return $n } } 1 .. 20000;
my $sum = 0;
$sum += $_->(3) for @closures, @closures;
print "closures $sum\n";

for my $i (1 .. 20000) {
    my $left = { name => "left $i" };
    my $right = { name => "right $i", peer => $left };
    $left->{peer} = $right;
}
my $long = '';
$long .= sprintf('%06d ', $_ * 7919 % 999983) for 1 .. 200000;
print "string ", length($long), ' ', sha256_hex($long), "\n";
