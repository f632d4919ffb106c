"""Jobs: long work in chunks. Each chunk commits together with how far the job has come, so that a crash repeats nothing."""
