# SPDX-License-Identifier: MIT
# Many forks: command substitution, pipes, background jobs, subshells; and arrays that grow.
set -u

declare -A count
declare -a lines
for ((i = 0; i < 30000; i++)); do
    key=k$((i * 7919 % 5003))
    count[$key]=$((${count[$key]:-0} + i))
    lines[i]="line $i of ${key} $((i * i % 1009)) and some more text to fill it"
done
echo "${#count[@]} ${#lines[@]} ${count[k17]} ${lines[29999]}"

sum=0
for ((i = 0; i < 300; i++)); do
    value=$(echo $((i * 3)))
    sum=$((sum + value))
done
echo "substitutions $sum"

for ((i = 0; i < 60; i++)); do
    printf '%s\n' "${lines[@]:i * 100:50}" | sort -k4n | head -n 1
done | cksum

for ((i = 0; i < 40; i++)); do
    ( part=("${lines[@]:i * 50:400}"); echo "${#part[@]} ${part[*]}" | wc -c ) &
done | sort -n | cksum
wait

failed=0
for ((i = 0; i < 60; i++)); do
    ( exit $((i % 3)) ) || failed=$((failed + 1))
done
echo "failed $failed"

trap 'caught=$((caught + 1))' USR1
caught=0
for ((i = 0; i < 20; i++)); do
    kill -USR1 $$
done
echo "signals $caught"

while read -r number word _; do
    [[ $word =~ ^([a-z]+)$ ]] && last="$number ${BASH_REMATCH[1]^^}"
done < <(printf '%d word text\n' {1..3000})
echo "read $last"

text=$(printf '%s\n' "${lines[@]:0:2000}")
text=${text//line/LINE}
echo "text ${#text} $(cksum <<< "$text")"
( kill -PIPE "$BASHPID" )
echo "a child that dies: $?"
nonexistent_command_here
echo "status $?"
