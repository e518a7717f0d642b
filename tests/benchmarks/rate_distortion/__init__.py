"""Rate and distortion of ours, of PCA, and of JPEG, WebP, AVIF and JPEG XL, in four accountings.

    A  single file     every image a file of its own, as written
    B  payload only    what is left of that file without headers, tables and containers
    C  many in one     our archive beside an atlas: one large image tiled with the small ones
    D  model counted   A and C with the bytes of the model shared among N images

Reading order: measurement, sets, payload, classic, atlas, ours, principal, tasks, curves,
accounts, charts, pages.
"""
