#include "app/components.h"

namespace tessera {

ConfigSchema AppSchema() {
  ConfigSchema schema;
  return schema;
}

}  // namespace tessera
