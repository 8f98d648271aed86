#include "error.h"

#include <new>

namespace aa {

Error current_error(const char* op) {
  try {
    throw;
  } catch (const Error& error) {
    return error.op.empty() ? Error(error.code, op, error.what()) : error;
  } catch (const std::bad_alloc&) {
    return Error("ERR_OUT_OF_MEMORY", op, "the system has no memory left");
  } catch (const std::exception& error) {
    return Error("ERR_DEVICE", op, error.what());
  }
}

}  // namespace aa
