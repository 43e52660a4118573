# SPDX-License-Identifier: MIT
# Makes a manual page of its source: the line @OPTIONS@ becomes the list of the library's options.
# usage: awk -f options.awk src/base/knobs.def PAGE.in

# A number of bytes as one would write it.
function bytes(n) {
    if (n == "UINT64_MAX") return "none"
    unit = ""
    for (i = 1; i <= 3 && n > 0 && n % 1024 == 0; i++) {
        n /= 1024
        unit = substr("kmg", i, 1)
    }
    return n unit
}

function initial(type, value, choices,    words) {
    if (type == "CHOICE") {
        split(choices, words, "|")
        return words[value + 1]
    }
    if (type == "TEXT") return "none"
    return type == "BYTES" ? bytes(value) : value
}

function values(type, choices) {
    if (type == "CHOICE") {
        gsub(/\|/, " | ", choices)
        return "Cm " choices
    }
    return "Ar " (type == "FLAG" ? "0 | 1" : tolower(type))
}

# In lines of less than 80 letters.
function print_wrapped(sentence,    n, words, line, w) {
    n = split(sentence, words, " ")
    line = words[1]
    for (w = 2; w <= n; w++) {
        if (length(line) + length(words[w]) < 78) {
            line = line " " words[w]
        } else {
            print line
            line = words[w]
        }
    }
    print line
}

# GL_KNOB(name, TYPE, initial, min, max, "choices", "help"), read by its quotes and commas.
FNR == NR {
    if ($0 !~ /^GL_KNOB\(/) next
    split($0, part, "\"")
    split(substr(part[1], 9), field, / *, */)
    n_options++
    item[n_options] = ".It Cm " field[1] " Ns = Ns " values(field[2], part[2])
    text[n_options] = toupper(substr(part[4], 1, 1)) substr(part[4], 2) "."
    default_[n_options] = initial(field[2], field[3], part[2])
    next
}

$0 == "@OPTIONS@" {
    if (n_options == 0) exit 1
    for (o = 1; o <= n_options; o++) {
        print item[o]
        print_wrapped(text[o])
        if (text[o] !~ /default/) {
            print "Default:"
            print ".Cm " default_[o] " ."
        }
    }
    next
}

{ print }
