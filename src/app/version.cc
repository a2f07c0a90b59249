#include "app/version.h"

namespace tessera {

const char kVersion[] = TESSERA_VERSION;

}  // namespace tessera
