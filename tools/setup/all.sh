# All set-up functions; sourced with root = the repository's folder.
here=$root/tools/setup
. "$here/cache.sh"
. "$here/packages.sh"
. "$here/web.sh"
. "$here/build.sh"
. "$here/python.sh"
