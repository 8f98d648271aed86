# Clang and the C libraries of many targets in one program, Zig: for binaries that load on older systems than
# the one that builds them, and on other processors. AA_ZIG is its path, AA_TARGET as in x86_64-linux-gnu.2.28.
set(CMAKE_SYSTEM_NAME Linux)
string(REGEX REPLACE "-.*" "" CMAKE_SYSTEM_PROCESSOR ${AA_TARGET})
set(CMAKE_CXX_COMPILER ${AA_ZIG} c++ -target ${AA_TARGET})
set(CMAKE_MODULE_LINKER_FLAGS_INIT -s)
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES AA_ZIG AA_TARGET)
