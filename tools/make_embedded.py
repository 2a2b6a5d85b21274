"""Makes the data inside the wheel from TensorFlow Datasets: the first 10,000 train and 2,000 test images of each set.

    TFDS_DATA_DIR=... python tools/make_embedded.py

Reads in TFDS's fixed order and writes with a fixed time stamp, so that the same input gives the same bytes.
"""

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import tensorflow_datasets as tfds

FOLDER = Path(__file__).resolve().parents[1] / "dgm_tfp" / "data" / "embedded"
SIZES = {"train": 10_000, "test": 2_000}


def main() -> None:
    sums = []
    for name in ("fashion_mnist", "mnist"):
        path = FOLDER / f"{name}.npz"
        with zipfile.ZipFile(path, "w") as archive:
            for split, size in SIZES.items():
                data = tfds.load(name, split=f"{split}[:{size}]", batch_size=-1, shuffle_files=False)
                arrays = {f"x_{split}": data["image"].numpy(), f"y_{split}": data["label"].numpy().astype(np.uint8)}
                for key, array in arrays.items():
                    buffer = io.BytesIO()
                    np.save(buffer, array)
                    entry = zipfile.ZipInfo(f"{key}.npy", date_time=(1980, 1, 1, 0, 0, 0))
                    archive.writestr(entry, buffer.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=9)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        sums.append(f"{digest}  {path.name}\n")
        print(path.name, f"{path.stat().st_size / 1e6:.1f} MB", digest)
    (FOLDER / "SHA256SUMS").write_text("".join(sums))


if __name__ == "__main__":
    main()
