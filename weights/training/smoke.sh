#!/usr/bin/env bash
# The whole recipe in miniature, on pictures drawn here: packs them, trains both networks for a few
# steps, then 20 seconds of everything, stopped and resumed, on a CPU, or another DEVICE; exports, and
# lets the package load the file. Needs the addon (npm run build).
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${PYTHON:-/usr/bin/python3}
if ! "$python" -c 'import cv2, numpy, torch'; then
  echo "smoke training: skipped, $python lacks a module above (python3-torch, python3-opencv)"
  exit 0
fi
run=$(mktemp -d)
trap 'rm -rf "$run"' EXIT
export OMP_WAIT_POLICY=passive

train() {
  "$python" "weights/training/train_$1.py" --pack "$run/pack.npz" --device "${DEVICE:-cpu}" \
    --log-every 0 "${@:2}" > "$run/out" || { cat "$run/out"; exit 1; }
}
# The loss, as the mean of ten steps, at the beginning and at the end of a run.
fell() {
  "$python" - "$1" "$run/$1/log.jsonl" << 'END'
import json
import sys
name, log = sys.argv[1:]
losses = [entry['loss'] for entry in map(json.loads, open(log)) if 'loss' in entry]
first, last = (sum(part) / 10 for part in (losses[:10], losses[-10:]))
print(f'{name}: loss {first:.4f} -> {last:.4f} in {len(losses)} steps')
assert len(losses) >= 20 and last < first, 'it did not fall'
END
}

"$python" weights/training/draw.py "$run/data"
"$python" weights/training/pack.py --side 160 --clip-side 96 "$run/data" "$run/pack.npz"
train homography --out "$run/homography" --steps 40 --batch 8 --rate 2e-3
fell homography
inpainter=(inpainter --homography "$run/homography/homography.pt" --size 64 --rate 1e-3)
train "${inpainter[@]}" --out "$run/stills" --references 0 --steps 40 --clips 4 --warm-up 1
fell stills
train "${inpainter[@]}" --out "$run/clips" --start "$run/stills/inpainter.pt" --clips 2 \
  --references 2 --recursion 3 --longest 4 --smoke
tail -n 1 "$run/out"
node --import tsx --input-type=module --eval "
  import { Device } from './lib/device.ts';
  import { Network } from './lib/network/network.ts';
  const device = Device.create('cpu');
  const network = await Network.load(device, process.argv[1]);
  console.log('the package loads it:', JSON.stringify(network.config));
  network.dispose();
  device.dispose();
" "$run/clips/align-and-attend.safetensors"
