#pragma once
// An object that somebody else owns, where a shared_ptr is asked for.

#include <memory>

namespace tessera {

/// Does not keep `object`, which must outlive it.
template <class T>
std::shared_ptr<T> NotOwned(T& object) {
  return std::shared_ptr<T>(std::shared_ptr<void>(), &object);
}

}  // namespace tessera
