"""
From recordings of any form to batches.

A source (:mod:`.sources`) yields shots in order; :mod:`.prepare` brings them to the network's
size and stores them as a :class:`~.recording.Recording`; :mod:`.batches` draws from recordings.
"""
