# Compiled by GCC and nvcc here, linked by Zig to an older glibc than the one here: see old_glibc.c.
set(CMAKE_CXX_COMPILER g++)
execute_process(COMMAND g++ -print-file-name=libstdc++.a OUTPUT_VARIABLE LIBSTDCXX OUTPUT_STRIP_TRAILING_WHITESPACE)
execute_process(COMMAND g++ -print-file-name=libgcc_eh.a OUTPUT_VARIABLE LIBGCC_EH OUTPUT_STRIP_TRAILING_WHITESPACE)
execute_process(COMMAND g++ -print-file-name=libgcc.a OUTPUT_VARIABLE LIBGCC OUTPUT_STRIP_TRAILING_WHITESPACE)
set(CMAKE_CXX_CREATE_SHARED_MODULE
    "${AA_ZIG} cc -target ${AA_TARGET} -shared -s -o <TARGET> <OBJECTS> ${CMAKE_CURRENT_LIST_DIR}/old_glibc.c <LINK_LIBRARIES> ${LIBSTDCXX} ${LIBGCC_EH} ${LIBGCC} -lm -lpthread -ldl -lrt")
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES AA_ZIG AA_TARGET)
