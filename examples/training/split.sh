#!/bin/sh
# A step in no Python at all: the first 80 % of the rows to train on, the rest to test on.
set -eu
lines=$(($(wc -l < "$1") - 1))
head -n 1 "$1" > "$2"
head -n 1 "$1" > "$3"
tail -n +2 "$1" | head -n $((lines * 4 / 5)) >> "$2"
tail -n +2 "$1" | tail -n +$((lines * 4 / 5 + 1)) >> "$3"
