"""What is sent when: images and records in messages, messages one after another, again or alone.

Without a clock, a thread or a connection: `Client`, `AsyncClient` and `Offline` drive it.
"""

from residuum_client.schedule.message import Item, Message
from residuum_client.schedule.pace import IN_FLIGHT, MESSAGE_ITEMS, MESSAGE_WEIGHT, Pace
from residuum_client.schedule.retries import Retries
from residuum_client.schedule.schedule import Schedule

__all__ = [
    "IN_FLIGHT",
    "MESSAGE_ITEMS",
    "MESSAGE_WEIGHT",
    "Item",
    "Message",
    "Pace",
    "Retries",
    "Schedule",
]
