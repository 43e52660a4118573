# SPDX-License-Identifier: MIT
# Hashes, arrays, strings, regular expressions, sorting: mix.pl COUNT TEXT_FILE
use strict;
use warnings;

my ($count, $file) = @ARGV;
my %seen;
my $lines = 0;
open(my $in, '<', $file) or die "$file: $!\n";
while (my $line = <$in>) {
    $lines++;
    $seen{lc $1}++ while $line =~ /(\w+)/g;
}
close $in;
my @top = sort { $seen{$b} <=> $seen{$a} || $a cmp $b } keys %seen;
print "lines $lines, words ", scalar(@top), ": @top[0..4]\n";

my %tree;
for my $i (1 .. $count) {
    my $key = join('/', 'n' . $i % 97, 'm' . $i % 1009, $i);
    my @parts = split m{/}, $key;
    $tree{$parts[0]}{$parts[1]}{$parts[2]} = { id => $i, name => "item $i", list => [1 .. $i % 5] };
}
my $sum = 0;
for my $first (sort keys %tree) {
    for my $second (sort keys %{ $tree{$first} }) {
        $sum += $_->{id} * @{ $_->{list} } for values %{ $tree{$first}{$second} };
    }
}
print "tree $sum\n";

my @records = map { { key => ($_ * 7919) % $count, text => 'x' x ($_ % 40) } } 1 .. $count;
@records = sort { $a->{key} <=> $b->{key} || length $a->{text} <=> length $b->{text} } @records;
my $joined = join ',', map { $_->{text} } @records;
print "sorted $records[0]{key} $records[-1]{key} ", length $joined, "\n";

my $text = join "\n", map { "field$_=value" . $_ * 3 } 1 .. $count;
(my $changed = $text) =~ s/field(\d+)=value(\d+)/$2:$1/g;
print "replaced ", length $changed, "\n";
