# Copies what was delivered for a day: export.sh DELIVERED OUTPUT
[ -d "$1" ] || { echo "$1 is not delivered yet" >&2; exit 75; }
cp "$1"/*.parquet "$2"
