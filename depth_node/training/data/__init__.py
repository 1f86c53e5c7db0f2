"""
From recordings in any format to batches.

A source (:mod:`.sources`) yields frames in order; :mod:`.prepare` resizes them to the network's
size and stores them as a :class:`~.recording.Recording`; :mod:`.batches` draws from recordings.
"""
