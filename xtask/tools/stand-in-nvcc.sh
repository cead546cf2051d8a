#!/bin/sh
# Stands in for nvcc where a build script's outputs are not used: says a version, and makes every file that
# it is asked for, empty.
case "$1" in
    --version)
        echo 'Cuda compilation tools, release 13.0, V13.0.0'
        exit
        ;;
esac
folder=. output='' source='' previous=''
for argument; do
    case "$previous" in
        --output-directory) folder=$argument ;;
        -o) output=$argument ;;
    esac
    case "$argument" in
        *.cu) source=${argument##*/} ;;
    esac
    previous=$argument
done
: >"${output:-$folder/${source%.cu}.ptx}"
