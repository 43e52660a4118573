# SPDX-License-Identifier: MIT
# Shell variables, arrays and very many forks: forks.sh COUNT
count=$1
declare -A seen
sum=0
for ((i = 0; i < count; i++)); do
    value=$(echo "$((i * 7919 % 1000))")
    seen[$value]=${seen[$value]:-}$i,
    if ((i % 4 == 0)); then
        /bin/true
    fi
    sum=$((sum + value))
done
echo "sum $sum, keys ${#seen[@]}"
printf '%s\n' "${!seen[@]}" | sort -n | head -n 5
