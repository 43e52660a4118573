# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# what: ImageMagick: resizes, blurs, composes and writes pictures, with OpenMP threads
# needs: /usr/bin/convert
. "$(dirname "${BASH_SOURCE[0]}")/case.sh"

# Pixels are compared, not files: those hold dates.
picture() {
    under -n 0 -p 'convert*' /usr/bin/convert "$@"
}

workload() {
    picture -size 320x240 gradient:red-blue -swirl 90 first.png
    picture first.png -resize 500x400 -blur 0x3 -rotate 30 rgb:- | digest resized
    picture -size 200x200 plasma:white-black -seed 3 -threshold 50% gray:- | wc -c
    picture first.png -emboss 1 -colors 16 -type palette gif:- > second.gif
    picture second.gif first.png -compose multiply -composite -depth 8 rgb:- | digest composed
    picture first.png -quality 85 jpeg:- | picture jpeg:- -depth 8 -resize 10x10 txt:- | tail -n 3
    picture -delay 10 first.png \( +clone -flip \) \( +clone -flop \) -layers optimize gif:- |
        picture gif:- -format '%s %wx%h %k\n' info:-
}
