#!/bin/sh
# Stands in for node-gyp when prebuildify calls it: the addon is built by cmake-js, with machine
# code for every architecture where there is nvcc.
exec npx cmake-js rebuild -p 2 --CDAA_CUDA_RELEASE=ON
