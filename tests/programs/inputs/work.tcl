# SPDX-License-Identifier: MIT
# Lists, dictionaries, strings, regular expressions, timers, interpreters made and deleted.
set seed 11
proc random {n} {
    global seed
    set seed [expr {($seed * 1103515245 + 12345) % 2147483648}]
    return [expr {$seed % $n}]
}
set words {}
for {set i 0} {$i < 20000} {incr i} { lappend words [format %05x-%s [random 1048576] [string repeat ab [random 9]]] }
set sorted [lsort $words]
puts "words [string length [join $sorted]] [lindex $sorted 777] [zlib crc32 [join $sorted]]"
set index [dict create]
foreach word $words { dict lappend index [string range $word 0 1] $word }
set sum 0
dict for {key list} $index { incr sum [expr {[llength $list] * [scan $key %x]}] }
puts "dict [dict size $index] $sum"
set text [regsub -all {([0-9a-f]+)-(\w*)} [join $sorted " "] {\2=\1}]
puts "regsub [zlib crc32 $text]"
puts "zlib [expr {[zlib inflate [zlib deflate $text 6]] eq $text}]"
for {set round 0} {$round < 30} {incr round} {
    set slave [interp create]
    $slave eval { proc fib n { expr {$n < 2 ? $n : [fib [expr {$n - 1}]] + [fib [expr {$n - 2}]]} } }
    incr total [$slave eval {fib 12}]
    interp delete $slave
}
puts "interpreters $total"
set done 0
proc tick {n} { global done; incr done $n; if {$n > 0} { after 1 [list tick [expr {$n - 1}]] } else { set ::over 1 } }
tick 40
vwait over
puts "events $done"
proc generate {n} { yield; for {set i 0} {$i < $n} {incr i} { yield "v$i" }; return end }
coroutine next generate 3000
set all {}
while {[set value [next]] ne "end"} { lappend all $value }
puts "coroutine [llength $all] [lindex $all end]"
set channel [open "|/bin/cat" r+]
puts $channel "through a pipe"
close $channel write
puts [read -nonewline $channel]
close $channel
