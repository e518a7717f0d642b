"""Rate and distortion of ours, of PCA, and of JPEG, WebP, AVIF and JPEG XL, in four accountings.

    A  single file     one file per image, as written
    B  payload only    what is left of that file without headers, tables and containers
    C  many in one     all images in one file: our archive, or one large image tiled with the small
    D  model counted   C, and the bytes of the model shared among 10,000 or a million images

Reading order: measurement, sets, payload, classic, atlas, ours, principal, tasks, curves,
accounts, charts, page.
"""
