# SPDX-License-Identifier: MIT
# Words of a text: how often each occurs, on which lines, and an index by length.
{
    for (i = 1; i <= NF; i++) {
        word = tolower($i)
        gsub(/[^a-z]/, "", word)
        if (word == "")
            continue
        count[word]++
        lines[word] = lines[word] (lines[word] == "" ? "" : ",") NR
        by_length[length(word), word] = NR
    }
    line[NR] = $0
}

END {
    for (word in count) {
        total += count[word]
        n = split(lines[word], where, ",")
        checksum += n * length(word) + where[n]
    }
    for (key in by_length) {
        split(key, part, SUBSEP)
        lengths[part[1]] += by_length[key]
    }
    for (i = NR; i > 0; i--)
        reversed = reversed % 1000003 + length(line[i]) * i
    print NR, length(count), total, checksum, reversed
    for (i = 1; i <= 12; i++)
        print i, lengths[i] + 0
}
