# Ended by a signal: 128 + its number, nothing left behind.
"$PROGRAM" quantize glyphs/glyphs.onnx -o out.onnx --data random:1000000 \
  --samples 1000000 -q &
pid=$!
sleep 1
kill -TERM $pid
wait $pid
echo "-> $?"
ls
