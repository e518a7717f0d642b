"""The batch archive: many records of one model in one file, for 0.7 bytes each beyond their bodies.

    archive   header, blocks of up to 256 records, index                        NAME.rsa
    journal   records not in a block yet, while a writer has the archive open   NAME.rsa.journal

Record tails are left out and computed again on reading: blocks have CRCs. The index gives the place
of each block, so reading one record reads one block. `codec/FORMAT.md` specifies the bytes.

SQLite would be simpler, but not small. 10,000 named records with bodies of 15.0 bytes take, per
record (tests/codec/archive/test_size.py):

    this archive                                    15.7 bytes
    SQLite, primary key on names, WITHOUT ROWID     38.1 bytes
    SQLite, rowid and an index of names             62.7 bytes

SQLite keeps each name and the length of each field in full, where a block keeps differences.
Reading order: columns, name_lists, blocks, index, journal, disk, snapshot, names, reader, writer.
"""

from codec.archive.blocks import Header
from codec.archive.reader import ArchiveReader, Damage, Entry
from codec.archive.writer import ArchiveWriter, create

__all__ = ["ArchiveReader", "ArchiveWriter", "Damage", "Entry", "Header", "create"]
