"""Tasks, accounts with their contacts, prospects that somebody wants.

Why it exists: what a person in the company is to do, and who sits at the other side's table, outlives every turn.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Select, insert, select, update

from rapport.core.errors import UnknownTask
from rapport.stores import nodes as n
from rapport.stores.bulk import write_rows
from rapport.stores.database import Database
from rapport.stores.tables import account_contact, micros, node, task, wanted
from rapport.workflows.identity_ports import AccountContact, Task, Wanted

_CONTACT = ("account_key", "person_key", "role", "seniority", "source", "at")
_OTHER_CONTACT = (
    "(coalesce(account_contact.seniority, '') <> coalesce(excluded.seniority, '')"
    " OR account_contact.source <> excluded.source)"
)
"""What makes a contact that is known another one; when it was told does not."""


class WorkStore:
    """Tasks and accounts, as `rapport.workflows.identity_ports.Work`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_task(self, task_to_do: Task) -> Task:
        """Remember a task and return it with its id."""
        values = {
            "record_key": task_to_do.node_key,
            "kind": task_to_do.kind,
            "owner": task_to_do.owner,
            "text": task_to_do.text,
            "made_at": task_to_do.made_at,
            "due": task_to_do.due.isoformat() if task_to_do.due else None,
            "status": task_to_do.status,
        }
        with self._database.writing() as c:
            n.require_nodes(c, [task_to_do.node_key])
            number = c.execute(insert(task).values(values)).inserted_primary_key
        return replace(task_to_do, task_id=number[0] if number else None)

    def tasks(
        self, customer_id: str | None = None, owner: str | None = None, status: str | None = None
    ) -> list[Task]:
        """Return tasks, by due day (those without one last), then oldest first."""
        query: Select[Any] = select(task).join(node, node.c.record_key == task.c.record_key)
        for column, value in ((task.c.owner, owner), (task.c.status, status)):
            if value is not None:
                query = query.where(column == value)
        with self._database.reading() as c:
            if customer_id is not None:
                query = query.where(node.c.customer_id == n.present_id(c, customer_id))
            order = (task.c.due.is_(None), task.c.due, task.c.made_at, task.c.task_id)
            return [_task(row) for row in c.execute(query.order_by(*order)).mappings()]

    def set_task(self, task_id: int, status: str) -> Task:
        """Change the status of a task."""
        here = task.c.task_id == task_id
        with self._database.writing() as c:
            c.execute(update(task).where(here).values(status=status))
            row = c.execute(select(task).where(here)).mappings().first()
        if row is None:
            raise UnknownTask(f"there is no task {task_id}; tasks have numbers from 1. List them first.")
        return _task(row)

    def remember_contacts(self, contacts: Iterable[AccountContact]) -> int:
        """Remember who works for whom; return how many were new or changed. The same told later changes nothing."""
        rows = [(k.account_key, k.person_key, k.role, k.seniority, k.source, micros(k.at)) for k in contacts]
        with self._database.writing() as c:
            return write_rows(
                c, account_contact, _CONTACT, rows, update=_CONTACT[3:], newer="at", guard=_OTHER_CONTACT
            )

    def contacts_of(self, account_id: str) -> list[AccountContact]:
        """Return the contacts of all nodes of an account."""
        return self._contacts(account_contact.c.account_key, account_id)

    def accounts_of(self, customer_id: str) -> list[AccountContact]:
        """Return the accounts of a person."""
        return self._contacts(account_contact.c.person_key, customer_id)

    def _contacts(self, column: ColumnElement[int], customer_id: str) -> list[AccountContact]:
        query = select(*(account_contact.c[name] for name in _CONTACT)).join(node, node.c.record_key == column)
        with self._database.reading() as c:
            query = query.where(node.c.customer_id == n.present_id(c, customer_id))
            order = (account_contact.c.account_key, account_contact.c.person_key, account_contact.c.role)
            return [AccountContact(*row) for row in c.execute(query.order_by(*order))]

    def want(self, prospects: Iterable[Wanted]) -> int:
        """Remember wanted prospects by name; return how many were new or changed."""
        rows = [(w.name, w.owner, micros(w.at), w.account_key, w.contacts) for w in prospects]
        names = ("name", "owner", "at", "account_key", "contacts")
        with self._database.writing() as c:
            return write_rows(c, wanted, names, rows, update=names[1:], newer="at")

    def wanted(self) -> list[Wanted]:
        """Return the wanted prospects by name."""
        t = wanted.c
        query = select(t.name, t.owner, t.at, t.account_key, t.contacts).order_by(t.name)
        with self._database.reading() as c:
            return sorted((Wanted(*row) for row in c.execute(query)), key=lambda w: w.name)


def _task(row: Any) -> Task:
    return Task(
        node_key=row["record_key"],
        kind=row["kind"],
        owner=row["owner"],
        text=row["text"],
        made_at=row["made_at"],
        due=date.fromisoformat(row["due"]) if row["due"] else None,
        status=row["status"],
        task_id=row["task_id"],
    )
