#!/bin/sh
# Starts the build of the program of this name that the CPU can run: x86-64-v3 where it has all of
# that level's features.
program=$(readlink -f "$0")
flags=" $(sed -n '/^flags/{s/^[^:]*://;p;q;}' /proc/cpuinfo 2>/dev/null) "
level=v3
for feature in avx avx2 bmi1 bmi2 f16c fma abm movbe; do
  case $flags in
    *" $feature "*) ;;
    *) level=v2 ;;
  esac
done
exec "${program%/bin/*}/lib/ciro/$level/${program##*/}" "$@"
