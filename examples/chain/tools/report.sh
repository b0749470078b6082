# Lists the training data of the last days: report.sh PATHS OUTPUT PARTITION
{
    echo "# Training data up to $3"
    echo
    while read -r partition; do
        echo "* $(basename "$partition"): $(ls "$partition" | grep -c '^part-') files"
    done < "$1"
} > "$2/report.md"
echo "{\"partitions\": $(wc -l < "$1")}" >> "$DAEDA_METADATA"
