#!/usr/bin/env bash
# Test: the demo as a user runs it reads lines that have every printable character between them, and refuses bad text.
#   demo/demo_reads_text.sh BIN_DIR
set -euo pipefail
bin="$1"
run="$(dirname "$0")/run"

lines=(
  "The quick brown fox jumps over the lazy dog, twice."
  "SPHINX OF BLACK QUARTZ, JUDGE MY VOW!"
  "Pack my box with five dozen liquor jugs; 9876543210?"
  '#1 "Waltz" & '"'nymph'"': $4.50 + 25% = <vex> {quick} [jigs]'
  'a*b/c^d~e|f\g`h @ (x_y-z) = 6*7'
)
for line in "${lines[@]}"; do
  "$run" "$bin" --min-right 95 -- "$line"
done
"$run" "$bin" --font /usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf --min-right 90 -- "${lines[0]}"

"$run" "$bin" --backend fpga --min-right 95 -- "${lines[0]}" | tee /dev/stderr | grep -q "the same as the CPU's"

refused() {
  local expected="$1" output
  shift
  if output="$("$run" "$bin" "$@" 2>&1)"; then
    echo "should have failed: $*" >&2
    exit 1
  fi
  [[ "$output" == *"$expected"* ]] || { echo "'$output' does not say '$expected'" >&2; exit 1; }
}
refused "not a printable ASCII character" -- $'tab\there'
refused "at most 64" -- "$(printf 'x%.0s' {1..65})"
refused "no character to read" -- "   "
refused "no font file" --font /no/such/font.ttf -- "x"
refused "no-such-model" --model no-such-model -- "x"
refused "model 'characters' has no backend 'gpu'; it has: cpu" --backend gpu -- "x"
refused "asked for 101" --min-right 101 -- "x"
echo "demo: all lines read"
