#!/bin/sh
# The set-up scripts' own logic: missing packages with and without root, half-made cache folders, racing clones,
# wrong checksums. Stand-ins for apt-get, dpkg-query, id and sudo lie first in PATH; nothing is installed or fetched.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
TESSERA_CACHE=$scratch/cache; export TESSERA_CACHE
mkdir "$scratch/bin"
PATH=$scratch/bin:$PATH
failed=0
check() { if eval "$2"; then echo "ok: $1"; else echo "FAILED: $1"; failed=1; fi; }
stand_in() { printf '#!/bin/sh\n%s\n' "$2" > "$scratch/bin/$1"; chmod +x "$scratch/bin/$1"; }
# in_setup COMMANDS: runs them with the set-up functions loaded; output in $scratch/out.
in_setup() { ( set +e; root=$root sh -euc '. "$root/tools/setup/all.sh"; '"$1" ) > "$scratch/out" 2>&1; }

printf '# a comment\nalpha\nbeta  # why\n\n' > "$scratch/list"
export scratch

stand_in dpkg-query 'echo "installed alpha"; echo "not-installed beta"; exit 1'
stand_in id 'echo 1000'
stand_in sudo 'exit 1'
stand_in apt-get 'echo "$@" >> "$scratch/apt"'
in_setup 'install_packages "$scratch/list"' && code=0 || code=$?
check "without root or sudo it says what to install" '[ "$code" != 0 ] && grep -q "apt-get install --no-install-recommends beta" "$scratch/out"'
check "and installs nothing" '! [ -e "$scratch/apt" ]'

stand_in sudo 'if [ "$1" = -n ]; then exit 0; fi; echo sudo >> "$scratch/apt"; exec "$@"'
in_setup 'install_packages "$scratch/list"'
check "sudo is used where it works" 'grep -q sudo "$scratch/apt" && grep -q "install --no-install-recommends beta" "$scratch/apt"'

rm -f "$scratch/apt"
stand_in dpkg-query 'echo "installed alpha"; echo "installed beta"'
in_setup 'install_packages "$scratch/list"'
check "nothing is asked for when all is there" '! [ -e "$scratch/apt" ]'

stand_in dpkg-query 'exit 1'
stand_in id 'echo 0'
stand_in apt-get 'echo "E: no network"; exit 100'
in_setup 'install_packages "$scratch/list"' && code=0 || code=$?
check "a failing apt-get is shown and fails" '[ "$code" != 0 ] && grep -q "E: no network" "$scratch/out"'
rm "$scratch/bin/"*

# Four clones want the same folder at once: one makes it, and nobody sees it half made.
cat > "$scratch/make.sh" <<'S'
make_thing() {
  if [ -e "$1/.complete" ]; then return; fi
  work=$(new_work thing)
  mkdir "$work/prefix"; echo half > "$work/prefix/file"
  echo made >> "$scratch/made"
  echo whole > "$work/prefix/file"
  publish "$work/prefix" "$1"
}
S
for i in 1 2 3 4; do
  ( root=$root sh -euc '. "$root/tools/setup/all.sh"; . "$scratch/make.sh"
      [ -e "$cache/thing/.complete" ] || with_lock thing make_thing "$cache/thing"; cat "$cache/thing/file"' ) > "$scratch/race$i" 2>&1 &
done
wait
check "a racing set-up makes a folder once" '[ "$(wc -l < "$scratch/made")" = 1 ] && [ "$(cat "$scratch"/race? | sort -u)" = whole ]'

# What a killed set-up left behind is not taken for whole.
mkdir -p "$TESSERA_CACHE/left"; echo half > "$TESSERA_CACHE/left/file"
in_setup '. "$scratch/make.sh"; with_lock thing make_thing "$cache/left"; cat "$cache/left/file"'
check "a half-made folder is made again" 'grep -q whole "$scratch/out"'

mkdir -p "$scratch/wheels/pkg"; echo 'pkg==1 --hash=sha256:0000000000000000000000000000000000000000000000000000000000000000' > "$scratch/pins"
python3 - "$scratch/wheels" <<'P'
import sys, zipfile
with zipfile.ZipFile(sys.argv[1] + "/pkg-1-py3-none-any.whl", "w") as z:
    z.writestr("pkg/__init__.py", "")
    z.writestr("pkg-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: pkg\nVersion: 1\n")
    z.writestr("pkg-1.dist-info/WHEEL", "Wheel-Version: 1.0\n")
    z.writestr("pkg-1.dist-info/RECORD", "")
P
in_setup 'fetch_pins "$scratch/pins" "$scratch/fetched" --no-index --find-links "$scratch/wheels"' && code=0 || code=$?
check "a wrong checksum is refused" '[ "$code" != 0 ] && grep -qi "hash" "$scratch/out" && ! ls "$scratch"/fetched/*.whl 2> /dev/null'
hash=$(sha256sum "$scratch/wheels/pkg-1-py3-none-any.whl" | cut -d' ' -f1)
echo "pkg==1 --hash=sha256:$hash" > "$scratch/pins"
in_setup 'fetch_pins "$scratch/pins" "$scratch/fetched" --no-index --find-links "$scratch/wheels"' || cat "$scratch/out"
check "the right one is fetched" 'ls "$scratch"/fetched/pkg-1-*.whl > /dev/null'

exit $failed
