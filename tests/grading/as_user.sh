# Run Python as an ordinary user: as_user.sh PYTHON FOLDER ARGUMENTS…   (needs root; nothing outside this process changes)
# In a mount namespace of its own, closed folders above the interpreter are replaced by open ones that hold only it.
set -e
if [ "$IN_NAMESPACE" != 1 ]; then
    IN_NAMESPACE=1 exec unshare --mount --propagation private sh "$0" "$@"
fi
python=$1 folder=$2
shift 2
prefix=$("$python" -c 'import sys; print(sys.base_prefix)')
closed=~root
case $prefix in
"$closed"/*)
    hold=$(mktemp -d)
    mount --bind "$prefix" "$hold"
    mount -t tmpfs -o mode=755 tmpfs "$closed"
    mkdir -p "$prefix"
    mount --move "$hold" "$prefix"
    rmdir "$hold"
    ;;
esac
unset IN_NAMESPACE
become="setpriv --reuid 12345 --regid 12345 --clear-groups"
[ "$STAY_ROOT" != 1 ] || become=
exec $become env -i PATH="${USER_PATH:-/usr/bin:/bin}" HOME="$folder" TMPDIR="$folder" \
    OMP_NUM_THREADS=1 LANG=C.UTF-8 "$python" -B "$@"
