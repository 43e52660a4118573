" SPDX-License-Identifier: MIT
" Substitutions, macros, undo, marks, folds, registers, lists, regular expressions; ends itself.
set nocompatible undolevels=1000 foldmethod=indent
syntax enable
let report = []
silent %s/\<int\>/long/ge
silent g/return/s/;$/; \/* done *\//
call add(report, 'lines ' . line('$'))
undo
redo
normal gg
let calls = 0
while search('\k\+(', 'W') > 0
    let calls += 1
endwhile
call add(report, 'calls ' . calls)
let seen = {}
for line in getline(1, '$')
    for word in split(line, '\W\+')
        let seen[word] = get(seen, word, 0) + 1
    endfor
endfor
let common = sort(items(seen), {a, b -> a[1] == b[1] ? (a[0] < b[0] ? -1 : 1) : b[1] - a[1]})
call add(report, 'words ' . len(seen) . ' ' . string(common[0:4]))
silent sort /\d\+/ n
for i in range(200)
    silent execute 'normal ' . (i * 7 + 1) . 'GddkP'
endfor
for i in range(50)
    silent undo
endfor
new
call setline(1, map(range(2000), {_, n -> n . ' ' . sha256(string(n))}))
call add(report, 'hashes ' . sha256(join(getline(1, '$'), "\n")))
bdelete!
call add(report, 'changes ' . undotree().seq_last)
call writefile(report, 'report')
silent write
qall!
