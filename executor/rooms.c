/* Granting rooms for results to a worker; see rooms.h. */
#include "rooms.h"

#include "arena.h"

static yk__room *next_room(yk__rooms *rooms)
{
    return &rooms->of[rooms->used % YK__ROOMS];
}

bool yk__rooms_has(const yk__rooms *rooms, uint64_t len)
{
    const yk__room *room = &rooms->of[rooms->used % YK__ROOMS];
    return rooms->granted != rooms->used && room->at && len <= room->size;
}

void *yk__rooms_take(yk__rooms *rooms, uint64_t *size)
{
    yk__room room = *next_room(rooms);
    *next_room(rooms) = (yk__room){ NULL, 0 };
    rooms->used++;
    *size = room.size;
    return room.at;
}

/* Fills the place of room `number`, for the worker to see with `granted` or `answered`. */
static void fill(yk__rooms *rooms, yk__channel *ch, uint32_t number, uint64_t size)
{
    yk__room *room = &rooms->of[number % YK__ROOMS];
    yk_arena_free(room->at);
    room->at = yk_arena_alloc(size);
    room->size = room->at ? size : 0;
    ch->down.rooms[number % YK__ROOMS] = *room;
}

static void grant(yk__rooms *rooms, yk__channel *ch, uint64_t size)
{
    fill(rooms, ch, rooms->granted++, size);
    atomic_store_explicit(&ch->down.granted, rooms->granted, memory_order_release);
}

void yk__rooms_refill(yk__rooms *rooms, yk__channel *ch, uint64_t size)
{
    if (size > YK__ROOM_AHEAD)
        return;
    uint32_t ahead = rooms->ahead > 1 ? rooms->ahead : 1;
    while (ahead > 1 && ahead * size > YK__ROOMS_AHEAD)
        ahead /= 2;
    while (rooms->granted - rooms->used < ahead)
        grant(rooms, ch, size);
}

void yk__rooms_ask(yk__rooms *rooms, yk__channel *ch, uint64_t size)
{
    bool late = yk__rooms_has(rooms, size); /* its results were drained just now */
    if (late && rooms->ahead < YK__ROOMS)
        rooms->ahead = rooms->ahead ? 2 * rooms->ahead : 2;
    if (rooms->granted == rooms->used)
        grant(rooms, ch, size);
    else if (!late)
        fill(rooms, ch, rooms->used, size);
    if (late)
        yk__rooms_refill(rooms, ch, size);
}

void yk__rooms_free(yk__rooms *rooms)
{
    for (; rooms->used != rooms->granted; rooms->used++)
        yk_arena_free(next_room(rooms)->at);
}
