"""Parts of bench_predict.py: scenes and models, time over the floor, memory, peers, seams."""
