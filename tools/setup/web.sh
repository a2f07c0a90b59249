# The web page: web/dist, made by npm out of web/. Sourced; needs cache.sh, packages.sh and root = the repository's folder.
# node_modules is kept per lock file and the finished page per source, both in the cache.

web_key() {
  ( cd "$root/web" && find . \( -name node_modules -o -name dist \) -prune -o -type f -print | LC_ALL=C sort |
    xargs sha256sum | sha256sum | cut -c1-12 )
}

# link_node_modules FOLDER : FOLDER/node_modules leads to the packages of its lock file. A developer's own is left.
link_node_modules() {
  { command -v node && command -v npm; } > /dev/null || install_packages "$here/packages-web.txt"
  [ -d "$1/node_modules" ] && ! [ -L "$1/node_modules" ] && return
  modules=$cache/node-$(short_hash "$1/package-lock.json" < /dev/null)
  [ -e "$modules/.complete" ] || with_lock node make_node_modules "$1" "$modules"
  ln -sfn "$modules/node_modules" "$1/node_modules"
}

make_node_modules() {
  [ -e "$2/.complete" ] && return
  work=$(new_work node)
  say "fetching the npm packages of ${1#"$root/"}"
  mkdir "$work/packages"
  cp "$1/package.json" "$1/package-lock.json" "$work/packages/"
  ( cd "$work/packages" && npm ci --no-audit --no-fund --loglevel=error > "$work/npm.log" 2>&1 ) ||
    { head -15 "$work/npm.log" >&2; die "npm ci failed in ${1#"$root/"}"; }
  publish "$work/packages" "$2"
}

make_web() {
  [ -e "$2/.complete" ] && return
  link_node_modules "$root/web"
  work=$(new_work web)
  say "building the web page"
  ( cd "$root/web" && npm run --silent build -- --outDir "$work/dist" --emptyOutDir > "$work/npm.log" 2>&1 ) ||
    { tail -30 "$work/npm.log" >&2; die "building web/ failed"; }
  publish "$work/dist" "$2"
}

setup_web() {
  [ -e "$root/web/package.json" ] || return 0
  key=$(web_key)
  [ "$(cat "$root/web/dist/.key" 2> /dev/null)" = "$key" ] && return
  with_lock web make_web "$key" "$cache/web-$key"
  rm -rf "$root/web/dist.new"
  cp -R "$cache/web-$key" "$root/web/dist.new"
  rm -f "$root/web/dist.new/.complete"
  echo "$key" > "$root/web/dist.new/.key"
  rm -rf "$root/web/dist"
  mv "$root/web/dist.new" "$root/web/dist"
}
