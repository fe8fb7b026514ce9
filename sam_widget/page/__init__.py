"""A page that answers without a kernel: one HTML file with a photo, its session, and the decoder of `tiny`.

`page` writes it; `tensors` are the weights and features in it. The frontend is built from `js/src/page.ts`.
"""
