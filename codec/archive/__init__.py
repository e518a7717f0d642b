"""The batch archive: very many records of one model in one file, a byte each beside their bodies.

    archive   header, blocks of up to 256 records, index          NAME.rsa
    journal   records that are in no block yet, while a writer has the archive open
                                                                  NAME.rsa.journal

A record's tail is left out and made anew when it is read: the blocks have CRCs of their own. The
index says where the blocks are, so that one record costs one read of one block. `codec/FORMAT.md`
specifies the bytes. Reading order: columns, name_lists, blocks, index, journal, disk, snapshot,
names, reader, writer.
"""

from codec.archive.blocks import Header
from codec.archive.reader import ArchiveReader, Damage, Entry
from codec.archive.writer import ArchiveWriter, create

__all__ = ["ArchiveReader", "ArchiveWriter", "Damage", "Entry", "Header", "create"]
