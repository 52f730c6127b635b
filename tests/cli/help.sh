# Help fits a screen of 80 columns; every option is in the long form.
onnxquant --help | head -2
onnxquant --version | sed 's/[0-9.]*$/N/'
for command in quantize calibrate merge compare run inspect explain ops doctor; do
  onnxquant $command --help >help
  echo "$command --help -> $?"
  awk -v c=$command 'length > 80 { print c ": too wide: " $0 }
    END { if (NR > 40) print c ": " NR " lines" }' help
  onnxquant $command -h | cmp - help
  onnxquant help $command >all
  # What the short form only names is explained in the long one.
  grep -o -- '--[a-z0-9-]*' help | sort -u | while read -r option; do
    grep -q -- "  $option\|, $option" all || grep -q "Example" help ||
      echo "$command: $option is not explained"
  done
done
