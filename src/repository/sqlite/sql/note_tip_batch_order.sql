INSERT INTO tip_batch_orders (batch, number, key, challenge, content, epoch)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (batch, number) DO NOTHING
