# parts.sh, to be sourced: runs the parts of a long command one after the other and tells at the end what each took.
# The first part that fails ends the command, unless KEEP_GOING=1 asks to see all that fails.
# shellcheck shell=bash
part_names=() part_seconds=() part_results=()

# part NAME COMMAND...
part() {
    local name=$1 began=$SECONDS code=0
    shift
    printf '\n== %s\n' "$name"
    "$@" || code=$?
    part_names+=("$name") part_seconds+=("$((SECONDS - began))")
    if [ "$code" = 0 ]; then
        part_results+=(ok)
        return
    fi
    part_results+=("FAILED ($code)")
    [ "${KEEP_GOING:-}" = 1 ] || exit 1
}

# Shown however the command ends; the exit status says whether every part was fine.
show_parts() {
    local code=$? index
    printf '\n'
    for index in "${!part_names[@]}"; do
        printf '%-40s %5d s  %s\n' "${part_names[$index]}" "${part_seconds[$index]}" "${part_results[$index]}"
        [ "${part_results[$index]}" = ok ] || code=1
    done
    if declare -F closing >/dev/null; then closing || code=1; fi
    exit "$code"
}
trap show_parts EXIT
