# Debian packages: installed when missing. Sourced; needs cache.sh.

# packages_in FILE… : the names in package lists, without comments.
packages_in() { sed -e 's/#.*//' -e '/^ *$/d' "$@" | tr -s ' \n' ' '; }

# missing_packages FILE… : those of the lists that are not installed.
missing_packages() {
  command -v dpkg-query > /dev/null || die "this set-up is for Debian 12 (dpkg is missing)."
  # shellcheck disable=SC2046
  installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' $(packages_in "$@") 2> /dev/null | sed -n 's/^installed //p')
  for name in $(packages_in "$@"); do
    case "
$installed
" in *"
$name
"*) ;; *) printf '%s ' "$name" ;; esac
  done
}

# backports : a source for the packages that bookworm has only there (OpenTelemetry), beside the one that bookworm itself
# comes from. Its packages are of a low priority: nothing else changes.
apt_targets() {
  apt-get indextargets --format '$(CODENAME) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' 2> /dev/null || true
}
backports() {
  targets=$(apt_targets)
  if [ -z "$targets" ]; then  # a machine that has never asked what there is
    $as_root apt-get -q -o DPkg::Lock::Timeout=300 update > /dev/null 2>&1 || return 0
    targets=$(apt_targets)
  fi
  case "$targets" in *bookworm-backports*) return ;; esac
  uri=$(echo "$targets" | sed -n 's/^bookworm main //p' | head -1)
  [ -n "$uri" ] || return 0
  say "adding Debian's bookworm-backports to apt's sources"
  printf 'Types: deb\nURIs: %s\nSuites: bookworm-backports\nComponents: main\nSigned-By: %s\n' "$uri" \
    /usr/share/keyrings/debian-archive-keyring.gpg | $as_root tee /etc/apt/sources.list.d/bookworm-backports.sources > /dev/null
}

# install_packages FILE…
install_packages() {
  missing=$(missing_packages "$@") || exit 1
  [ -n "$missing" ] || return 0
  as_root=
  if [ "$(id -u)" != 0 ]; then
    if command -v sudo > /dev/null && { sudo -n true 2> /dev/null || [ -t 0 ]; }; then
      as_root=sudo
    else
      say "these Debian packages are missing, and there is neither root nor sudo to install them. Ask for:"
      say "  apt-get update && apt-get install --no-install-recommends $missing"
      exit 1
    fi
  fi
  backports
  say "installing $(echo "$missing" | wc -w) Debian packages"
  log=$(mktemp)
  # shellcheck disable=SC2086
  { $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 update &&
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 \
      install --no-install-recommends $missing; } > "$log" 2>&1 < /dev/null || {
    tail -15 "$log" >&2
    rm -f "$log"
    say "Debian 12 (bookworm) with its -security, -updates and -backports suites holds all of them; is the network up?"
    die "apt-get could not install: $missing"
  }
  rm -f "$log"
}
