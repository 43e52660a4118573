# SPDX-License-Identifier: MIT
# Counts, sorts and rewrites a log; keeps every line and a two-dimensional table in memory.
{
    bytes[$2] += $6
    seen[$3, $5]++
    path[$4] = path[$4] " " $1
    line[NR] = $0
    if (match($4, /^\/([0-9a-f]+)\/(p*)$/, part))
        depth[length(part[2])][part[1]] = NR
}
END {
    n = asorti(bytes, name)
    for (i = 1; i <= n; i += 60)
        print name[i], bytes[name[i]]
    PROCINFO["sorted_in"] = "@ind_str_asc"
    for (key in seen)
        if (seen[key] > 102) { split(key, part, SUBSEP); print part[1], part[2], seen[key] }
    PROCINFO["sorted_in"] = "@ind_num_asc"
    for (length_of in depth)
        print length_of, length(depth[length_of])
    total = 0
    for (i = 1; i <= NR; i++) {
        total += gsub(/[aeiou]+/, "<&>", line[i])
        all = (i % 1000 == 1) ? substr(line[i], 1, 20) : all toupper(substr(line[i], 1, 9))
        if (i % 20000 == 0)
            print i, total, length(all), gensub(/host([0-9]+)/, "\\1@", "g", line[i])
    }
    m = asort(path)
    print m, path[1], path[m]
}
