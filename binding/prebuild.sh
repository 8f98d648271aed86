#!/bin/sh
# Stands in for node-gyp when prebuildify calls it: the addon is built by cmake-js.
exec npx cmake-js rebuild
