# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: gnuplot: surfaces, fits and histograms, as text and as SVG
# needs: /usr/bin/gnuplot
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

prepare() {
    awk 'BEGIN { for (i = 0; i < 3000; i++) print i, sin(i / 200) * 10 + (i * 7919 % 101) / 50 }' > data
}

workload() {
    under -n 1 -p 'gnuplot*' /usr/bin/gnuplot > plots 2> log <<END
set terminal svg size 800,600 font "Sans,12"
f(x) = a * sin(x / b) + c
a = 9; b = 190; c = 1
set fit quiet logfile '/dev/null'
fit f(x) '$inputs/data' using 1:2 via a, b, c
set print '-'
print sprintf('%.5f %.4f %.5f', a, b, c)
plot '$inputs/data' with dots, f(x) lw 2, for [i=1:5] i * cos(x / 100.0) title sprintf('%d', i)
set isosamples 60; set hidden3d; set contour
splot x**2 - y**2 with lines, cos(x) * sin(y) * 20
set terminal dumb 79 24
plot '$inputs/data' smooth kdensity
stats '$inputs/data' using 2 prefix 'S'
print sprintf('%.4f %.4f', S_mean, S_stddev)
END
    digest plots < plots
    tail -n 30 plots
    cat log
}
