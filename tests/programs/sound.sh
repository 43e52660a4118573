# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: sox and flac: make, filter, pack and unpack sound
# needs: /usr/bin/sox /usr/bin/flac
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

workload() {
    under -n 0 /usr/bin/sox -R -D -n -r 44100 -b 16 -c 2 tone.wav synth 4 pluck C3 pluck E3 tremolo 4
    digest tone < tone.wav
    under -n 0 /usr/bin/sox -R -D tone.wav slow.wav tempo 0.8 reverb 30 rate 22050 norm -3
    digest slow < slow.wav
    under -n 0 /usr/bin/flac --silent --verify --best -o tone.flac tone.wav
    under -n 0 /usr/bin/flac --silent --decode --stdout tone.flac | digest unpacked
    under -n 0 /usr/bin/sox slow.wav -n stat 2>&1 | sed -n 1,4p
}
