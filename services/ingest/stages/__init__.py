"""The stages of an import, one module each (design.md section 1): ``plan`` makes its batches, ``run`` does one of them."""
